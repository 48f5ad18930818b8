"""What every run needs: where its chunks run, its clock, its pages."""
