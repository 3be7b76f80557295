"""The artifacts that are shipped: dataset folders, the rendered kernel, the record of a freeze."""
