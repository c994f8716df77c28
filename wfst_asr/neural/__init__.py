"""Networks: recurrent ones over letters, and a training loop that survives being killed.  Needs PyTorch."""
