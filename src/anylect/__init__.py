"""anylect: from a folder of recordings, in any language, to a number you may believe."""

__version__ = "0.1.0"
