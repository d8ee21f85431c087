"""What is found at a case: as values, in words, and as plain trees and tables."""
