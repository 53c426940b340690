// The behaviour of the task list and a task.
