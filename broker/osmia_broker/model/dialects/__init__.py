"""The two dialects that add to BPMN how a process is executed: `zeebe:` (Camunda 8) and `activiti:` (Alfresco, Activiti).

Each module reads one namespace and checks its constants. A file with an element of `zeebe:` is of that dialect alone: names of
`activiti:` in it are as foreign as any others (measured on the reference).
"""
