"""What screens of the console have in common: their frame, lists, forms, and what they answer."""
