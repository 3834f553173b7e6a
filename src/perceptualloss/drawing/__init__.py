"""What studies draw with: pages, plots, colour maps, cells of pictures, and the details worth a look.

It is given pictures and numbers, and knows no loss, network, metric or study. The pages' templates, one for each
study, are in ``templates/``.
"""
