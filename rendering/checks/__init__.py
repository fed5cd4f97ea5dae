"""What is refused: jobs before they are drawn, environments when they are loaded, pictures when they are done."""
