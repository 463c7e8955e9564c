"""Models as ONNX files: exported, checked against PyTorch, quantised, and measured on their own."""
