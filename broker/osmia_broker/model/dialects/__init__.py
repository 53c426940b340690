"""The two ways of writing into a BPMN file what BPMN leaves open: `zeebe:` (Camunda 8) and `activiti:` (Alfresco, Activiti).

Each file reads one namespace into the graph's definitions and knows the rules of its static texts. One file may hold both dialects.
"""
