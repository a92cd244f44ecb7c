import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createBrowserRouter, RouterProvider } from 'react-router';
import { Dashboard } from './pages/Dashboard';
import { Landing } from './pages/Landing';
import { Login } from './pages/Login';
import { NotFound } from './pages/NotFound';
import { Register } from './pages/Register';
import { applyTheme } from './parts/theme';
import './style.css';

applyTheme();
const router = createBrowserRouter([
    { path: '/', element: <Landing /> },
    { path: '/login', element: <Login /> },
    { path: '/register', element: <Register /> },
    { path: '/dashboard', element: <Dashboard /> },
    { path: '*', element: <NotFound /> },
]);
const root = document.getElementById('root');
if (root) {
    createRoot(root).render(<StrictMode><RouterProvider router={router} /></StrictMode>);
}
