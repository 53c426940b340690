"""The two dialects that add to BPMN how a process is executed: `zeebe:` (Camunda 8) and `activiti:` (Alfresco, Activiti).

Each module reads one namespace and checks its constants. A BPMN file may contain both dialects, each element one of them.
"""
