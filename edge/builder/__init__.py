"""Variants of a model in other precisions and its TensorRT plan; sole importer of tensorrt."""
