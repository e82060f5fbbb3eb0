"""Compile the kernels once, so that no later command waits for it.

numba compiles a kernel at its first call and keeps the result. This calls them all on a text of
a few words: a model is estimated, written, read and asked, emissions are decoded, aligned and
streamed.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from anylect.decoding.beam import BeamDecoder, BeamOptions
from anylect.lm.kenlm_binary import load_model
from anylect.records import Emissions
from anylect.text.vocabulary import Vocabulary
from anylect.workflows.lm_build import LmBuildConfig, build_lm

TEXT = "one two three\ntwo three one\nthree two\none one two two three\n" * 4


def warm() -> float:
    """Compile what is not compiled yet; return the seconds it took."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text(TEXT, encoding="utf-8")
        for name in ("model.bin", "model.arpa"):
            build_lm(LmBuildConfig(text=(text,), output=Path(folder) / name))
            model = load_model(Path(folder) / name)
        for tokens, boundary in (((*" ehnortw",), 0), (("▁one", "▁two", "▁three"), None)):
            vocabulary = Vocabulary(
                ("", *tokens), blank=0, boundary=None if boundary is None else 1
            )
            rows = np.random.default_rng(0).dirichlet(np.ones(len(vocabulary)), 40)
            emissions = Emissions(np.log(rows).astype(np.float32), 0.02)
            for search in ("closed", "open"):
                options = BeamOptions(search=search)
                decoder = BeamDecoder(vocabulary, model, options=options)
                decoder.decode(emissions)
                stream = decoder.stream()
                stream.feed(emissions)
                stream.finish()
    return time.monotonic() - began
