"""What makes a trained model smaller: pruning and quantisation."""
