"""Pictures drawn on the server as SVG: whole without a script, coloured by classes, told in words to who cannot see them."""
