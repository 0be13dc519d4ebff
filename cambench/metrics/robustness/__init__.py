"""Does the map follow the image when the image changes?"""
