"""What protects an environment beside its tests: branch, clean tree, approval, freeze windows, required markers."""
