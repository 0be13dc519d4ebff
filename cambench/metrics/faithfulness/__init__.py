"""Does the map show what the network used?"""
