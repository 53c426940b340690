"""The BPMN elements, a file per family. Each file holds only what is special about its kinds."""
