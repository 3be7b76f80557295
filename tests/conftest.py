"""What all tests share: none of them asserts on time, so that a busy machine fails none."""

from hypothesis import settings

settings.register_profile("timeless", deadline=None)
settings.load_profile("timeless")
