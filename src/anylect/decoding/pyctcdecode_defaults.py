"""pyctcdecode's defaults, by its names (`pyctcdecode.constants`); all logs are natural."""

import math

DEFAULT_ALPHA = 0.5
DEFAULT_BETA = 1.5
DEFAULT_UNK_LOGP_OFFSET = -10.0
DEFAULT_BEAM_WIDTH = 100
DEFAULT_HOTWORD_WEIGHT = 10.0
DEFAULT_PRUNE_LOGP = -10.0
DEFAULT_PRUNE_BEAMS = False
DEFAULT_MIN_TOKEN_LOGP = -5.0
DEFAULT_SCORE_LM_BOUNDARY = True
AVG_TOKEN_LEN = 6
"""Letters from which on an unknown word is punished the more, the longer it is."""
MIN_TOKEN_CLIP_P = 1e-15
"""Probabilities below this count as this."""
LOG_BASE_CHANGE_FACTOR = math.log(10.0)
