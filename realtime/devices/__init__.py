"""Where sound comes from and goes to: sound cards, files played in real time, and the rings between the threads."""
