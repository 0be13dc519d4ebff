"""Does the network, and its map, rest on the object or on its surroundings?"""
