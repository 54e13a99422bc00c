"""What knows our layers: spaces, cases, planted mistakes, the course, and their commands."""
