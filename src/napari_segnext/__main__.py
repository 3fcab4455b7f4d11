"""`python -m napari_segnext` is the command line."""

from napari_segnext.commands.cli import main

main()
