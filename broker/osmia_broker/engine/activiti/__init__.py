"""The rules that only processes of the Activiti dialect know: extension files, variables without rows, skipped elements."""
