"""Is the network right?"""
