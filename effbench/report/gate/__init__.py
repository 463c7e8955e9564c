"""The regression check: is a run worse than a baseline?"""
