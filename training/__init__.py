"""From labelled face images to a calibrated, evaluated model version."""
