"""Write what is heard, and each stem, to files while it plays."""
