"""Training TransHand: what a job is told, the trainer that torchrun starts, and what is made of the result."""
