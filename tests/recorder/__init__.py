"""An application that writes down what its one task was called with."""
