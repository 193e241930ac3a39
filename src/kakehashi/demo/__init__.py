"""The main job before your eyes: a scripted day on simulated accounts, with real processes and real HTTP."""
