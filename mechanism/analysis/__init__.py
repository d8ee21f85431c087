"""What a user asks: a case evaluated, many, what if, what would overturn the answer, a mechanism
designed."""
