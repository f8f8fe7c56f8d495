"""What is sold and for how much: products, metrics, rate cards, and the rating of usage."""
