"""The tests, by the part they are about; `doors` and `harness` let a scenario be played at six doors."""
