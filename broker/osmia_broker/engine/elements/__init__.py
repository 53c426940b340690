"""One file per family of BPMN elements, each saying only what is special about its kinds."""
