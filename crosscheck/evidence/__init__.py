"""What was found and what follows from it: records, and the pure decision."""
