"""What is not known exactly: markets drawn from it, and what policies come to over them."""
