"""Local platforms: started, found, watched."""
