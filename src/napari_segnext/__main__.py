"""`python -m napari_segnext` is the command line."""

from napari_segnext.cli import main

main()
