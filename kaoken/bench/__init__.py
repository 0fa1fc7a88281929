"""Measures a compiled model beside onnxruntime and against the machine's own limits."""
