"""Figures of papers that the tables stand beside: PSNR in dB and SSIM on the luminance."""

# Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution" (EDSR), 2017.
BICUBIC = {
    ("Set5", 2): (33.66, 0.9299),
    ("Set5", 3): (30.39, 0.8682),
    ("Set5", 4): (28.42, 0.8104),
    ("Set14", 2): (30.24, 0.8688),
    ("Set14", 3): (27.55, 0.7742),
    ("Set14", 4): (26.00, 0.7027),
}
