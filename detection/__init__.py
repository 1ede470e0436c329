"""What happens to one image, with no server in sight."""
