"""Process instances: begin and change them, await their results, plan deployments, remove what ended long ago."""
