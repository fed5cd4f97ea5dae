"""What the field measures two predicted hands by, on plain tensors: of any method, of any hand model."""
