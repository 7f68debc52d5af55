"""What turns each modality's samples into tokens: one module per modality, named after it."""
