"""The live state of every organization."""
