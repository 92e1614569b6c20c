"""What is measured: beside the field (`make bench`), against itself (`make bench-check`)."""
