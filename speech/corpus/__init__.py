"""Where recordings come from and what is known about each of them."""
