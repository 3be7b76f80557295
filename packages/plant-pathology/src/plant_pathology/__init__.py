"""Plant Pathology 2021 (FGVC8): which diseases a photographed apple leaf shows."""
