"""Image transformation with perceptual losses."""
