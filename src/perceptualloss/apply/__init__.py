"""Using what is trained, and optimising single pictures: pictures in, pictures out.

``upscale``, ``restore``, ``stylize`` and ``transform`` take a picture of any kind and give its like. Behind them is a
``tool``: a ``transformer`` (any network, and a ``result_size``) or a ``stylist``, for pictures, files and clips.
``tiles`` runs a network over any size, ``device`` says where. ``optimize_picture`` moves pixels until a loss is low,
``optimize_style`` does so for a style.
``stylist`` and ``style_optimizer`` paint any number of pictures, with a network and without.
No weights change here (that is ``training``), and files are read and written by ``pictures``.
"""
