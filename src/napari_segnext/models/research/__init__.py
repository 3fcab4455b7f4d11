"""The models of the other papers, and those to compare with: loaded by name only."""
